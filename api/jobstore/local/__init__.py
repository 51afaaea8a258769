"""Jobs on one machine: ``store`` queues them, ``runner_process`` runs them, ``data_folder`` keeps them."""
