"""The prompt: the parts of a document and of its neighbours that the model sees."""
