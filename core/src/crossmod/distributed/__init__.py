"""Several processes as one: gathering with gradient and averaging gradients."""
