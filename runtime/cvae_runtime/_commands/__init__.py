"""The console scripts, one module each, with the options and the writer of output that they share."""
