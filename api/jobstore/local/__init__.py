"""Jobs on one machine: ``store`` queues, ``runner_process`` runs, ``data_folder`` keeps them."""
