"""Scores of a model: measured on its pictures, beside real faces that it has not seen."""
