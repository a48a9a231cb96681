"""Our side of the benchmarks, as a user would write it: an adapter, a mapping, a config."""
