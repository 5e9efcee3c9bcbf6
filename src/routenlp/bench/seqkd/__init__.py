"""`routenlp bench seqkd`: a language model learns from lessons of failure clusters, against random lessons."""
