"""What the model gets to see of a document and of its neighbours."""
