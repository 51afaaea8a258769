"""Running circuits on Aer: targets, transpiling, options, memory, seeds."""
