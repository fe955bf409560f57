"""Target schemas on the screen: the list, the form, the question before one goes."""
