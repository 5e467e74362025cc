"""The runs: trainings on disk until their results are saved."""
