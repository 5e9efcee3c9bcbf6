"""The loop's stages, each a pure function over records.

From failures to lessons, what they cost, when to stop; and from a candidate to the policy in force.
"""
