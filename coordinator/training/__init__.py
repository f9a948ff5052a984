"""The operator's side of federated training, from the terms of a job to the model it ships."""
