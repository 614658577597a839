"""The services that tests and a local trial need, each as a process of this machine that listens on loopback only."""
