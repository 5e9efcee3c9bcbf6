"""The paper's network (PAPER.md section 1), fitted with torch and served without it. Needs the extra `train`."""
