"""A private cluster: started on this machine for one sweep, and ended with it."""
