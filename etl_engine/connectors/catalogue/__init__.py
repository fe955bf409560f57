"""What servers say when they refuse, in words for people: one catalogue per wire protocol."""
