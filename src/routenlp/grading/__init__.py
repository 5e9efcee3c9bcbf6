"""Grades answers: accuracy, entity F1, ROUGE-L. Pure functions of answer and reference."""
