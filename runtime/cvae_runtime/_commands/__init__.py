"""The console scripts, one module each, with the options and the output writer that they share."""
