"""The web portal: sweeps seen and canceled in a browser on this machine."""
