"""Students: models of one task that the project trains itself. Inference only; fitting lives in `training`."""
