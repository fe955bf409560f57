"""What the product does: plain functions, Context first, the same for every door."""
