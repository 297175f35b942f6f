"""The files that deploy the product, checked without an engine that could run them."""
