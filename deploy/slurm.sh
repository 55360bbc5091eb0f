#!/usr/bin/env bash

#SBATCH -J dask-worker
#SBATCH -n 1
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH -t 08:00:00
export POLARS_MAX_THREADS=1 OMP_NUM_THREADS=1
python -m distributed.cli.dask_worker tls://head.example.org:8786 --nthreads 1 --memory-limit 3.73GiB --nanny --death-timeout 60 --tls-ca-file /home/me/needle/ca.pem --tls-cert /home/me/needle/own.pem --tls-key /home/me/needle/own.key
