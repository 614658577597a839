"""Settings of a run: `load` reads the YAML file, `settings` is its shape, `policies` makes what the rules take."""
