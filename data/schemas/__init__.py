"""Pandera models: what a frame must look like before it is used."""
