"""One pass of the loop on a store: failures, clusters, lessons, new tiers, new policy, gate, and on to the shadow."""
