#!/usr/bin/env bash
# A SLURM of one machine, of Debian's packages, in a folder of its own; to be started by root.
#
#   tests/cluster/slurm.sh start FOLDER     prints the SLURM_CONF that its commands need
#   tests/cluster/slurm.sh stop FOLDER
#
# Two partitions: jobs in `high` take the place of those in `low`, which go back to the queue.
set -eu
usage() { sed -n '2,7p' "$0"; exit 2; }
[ $# = 2 ] || usage
folder=$(realpath -m -- "$2")
export SLURM_CONF=$folder/slurm.conf

start() {
  if ! command -v slurmctld >/dev/null || ! command -v munged >/dev/null; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y slurm-wlm munge; } >&2
  fi
  mkdir -p -- "$folder/state" "$folder/spool" "$folder/munge"
  chmod 755 -- "$folder" "$folder/munge"
  (umask 077 && head -c 1024 /dev/urandom >"$folder/munge/key")
  munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge/pid" \
    --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" 2>/dev/null
  local host port
  host=$(hostname -s)
  port=$((20000 + $$ % 10000))
  cat >"$SLURM_CONF" <<CONF
ClusterName=lab
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
KillWait=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=low Nodes=$host Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=high Nodes=$host MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
CONF
  slurmctld -c
  slurmd
  for _ in $(seq 60); do
    if sinfo --noheader --partition=low --format=%t 2>/dev/null | grep -qx 'idle'; then
      echo "$SLURM_CONF"
      return
    fi
    sleep 1
  done
  echo "SLURM did not start; see $folder/slurmctld.log and $folder/slurmd.log" >&2
  stop
  exit 1
}

stop() {
  local pid
  scancel --quiet --user="$(id -un)" 2>/dev/null || true
  for pid in slurmd.pid slurmctld.pid munge/pid; do
    [ ! -e "$folder/$pid" ] || kill "$(cat -- "$folder/$pid")" 2>/dev/null || true
  done
}

case $1 in
  start) start ;;
  stop) stop ;;
  *) usage ;;
esac
