#!/bin/sh
# cluster.sh FOLDER COMMAND...: starts a Slurm cluster of one node, this machine, for the user that runs
# this, with its files in FOLDER; runs the command and stops the cluster.
set -eu
folder=$1
shift
user=$(id -un) host=$(hostname -s)
port=$((20000 + $$ % 20000))
mkdir -p "$folder/state" "$folder/spool"
cat >"$folder/slurm.conf" <<END
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/none
CredType=cred/none
CryptoType=crypto/none
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 RealMemory=500 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
export SLURM_CONF="$folder/slurm.conf"
stop() {
  for daemon in slurmd slurmctld; do
    [ ! -s "$folder/$daemon.pid" ] || kill "$(cat "$folder/$daemon.pid")" 2>/dev/null || true
  done
}
trap stop EXIT
PATH=$PATH:/usr/sbin:/sbin
slurmctld -c
slurmd -c
waits=60
until sinfo --noheader --format=%T 2>/dev/null | grep -q idle; do
  waits=$((waits - 1))
  [ "$waits" -gt 0 ] || { cat "$folder"/*.log >&2; echo "the cluster does not come up" >&2; exit 1; }
  sleep 1
done
"$@"
