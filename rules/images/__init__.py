"""What is wrong with a picture, whatever its labels say."""
