// Loaded before kinesis-local, which has no setting for it: what listens, listens on loopback only.
'use strict';
const { Server } = require('node:net');
const listen = Server.prototype.listen;
Server.prototype.listen = function (...given) {
  const [where, ...rest] = given;
  if (where !== null && typeof where === 'object') {
    return listen.call(this, { ...where, host: '127.0.0.1' }, ...rest);
  }
  const callback = given.find((each) => typeof each === 'function');
  return listen.call(this, { port: Number(where), host: '127.0.0.1' }, ...(callback ? [callback] : []));
};
