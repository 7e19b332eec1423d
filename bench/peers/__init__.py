"""Other engines that benchmarks run beside headrace, in harnesses of this project's own."""
