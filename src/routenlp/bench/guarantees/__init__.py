"""Simulated worlds whose truth is known: do the certified rules keep their promises, and what do they save?"""
