"""Mappings on the screen: the list, and the editor of one."""
