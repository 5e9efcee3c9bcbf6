"""Everything that fits: scikit-learn, scipy, clustering. Nothing here is imported while serving."""
