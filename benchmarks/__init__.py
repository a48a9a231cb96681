"""How fast the connector is, measured beside dlt, Singer and a script, in the same run: `python -m benchmarks`."""
