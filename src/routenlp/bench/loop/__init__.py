"""The loop's bench: what lessons bring, by how they are picked, on the six tasks from a tenth of the rows on."""
