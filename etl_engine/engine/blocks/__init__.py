"""What a graph is made of: one file for each block, and no block knows another one."""
