"""Settings of a run: `load` reads the YAML file, `settings` is its shape, `policies` what the rules take."""
