"""What gitagent costs besides the model and the tests: ratios of one run, quoted in docs/benchmarks.md."""
