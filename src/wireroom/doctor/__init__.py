"""What is missing, and how to mend it: looked at by `wireroom doctor` and by the page."""
