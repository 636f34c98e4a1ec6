//! A Cluster of three masters, made by redis-cli, with a replica for the one that holds a key.

use super::Redis;
use crate::PATIENCE;
use crate::place::free_port;
use std::process::Command;
use std::time::Instant;

/// Three masters, and replicas that were added to them.
#[derive(Debug)]
pub struct Cluster {
    /// The masters at the start, then the replicas.
    pub nodes: Vec<Redis>,
}

impl Cluster {
    /// Starts three nodes and makes a Cluster of them.
    pub fn start() -> Self {
        let nodes: Vec<Redis> = (0..3).map(|_| start_node()).collect();
        let addresses = nodes.iter().map(|node| node.address().to_string());
        let output = Command::new("redis-cli")
            .args(["--cluster", "create", "--cluster-yes"])
            .args(addresses)
            .output()
            .expect("redis-cli runs");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "no Cluster was made:\n{told}");
        let cluster = Self { nodes };
        for node in &cluster.nodes {
            wait_until("the Cluster serves", || {
                node.ask("cluster info").contains("cluster_state:ok")
            });
        }
        cluster
    }

    /// `[redis]` as configuration writes it, with every node named.
    pub fn section(&self) -> String {
        let nodes: Vec<String> = self.urls().map(|url| format!("\"{url}\"")).collect();
        format!("[redis]\ncluster = [{}]\n", nodes.join(", "))
    }

    /// The addresses of all nodes.
    pub fn urls(&self) -> impl Iterator<Item = String> {
        self.nodes.iter().map(Redis::url)
    }

    /// The node that answers for a key.
    pub fn holder_of(&self, key: &str) -> usize {
        let question = format!("exists {key}");
        let answers = |node: &Redis| matches!(node.ask(&question).as_str(), "0" | "1");
        let holder = self.nodes.iter().position(answers);
        holder.unwrap_or_else(|| panic!("no node of the Cluster has {key}"))
    }

    /// Adds a replica of a master and waits until it has all that the master has and every node knows it.
    pub fn add_replica_of(&mut self, master: usize) {
        let replica = start_node();
        let known = &self.nodes[master];
        let id = known.ask("cluster myid");
        let (port, bus) = (known.address().port(), bus_port(known));
        assert_eq!(
            replica.ask(&format!("cluster meet 127.0.0.1 {port} {bus}")),
            "OK"
        );
        wait_until("the replica knows its master", || {
            replica.ask(&format!("cluster replicate {id}")) == "OK"
        });
        wait_until("the replica follows", || {
            replica
                .ask("info replication")
                .contains("master_link_status:up")
        });
        let own = replica.ask("cluster myid");
        for node in &self.nodes {
            wait_until("the nodes know the replica", || {
                let nodes = node.ask("cluster nodes");
                nodes
                    .lines()
                    .any(|line| line.starts_with(&own) && line.contains("slave"))
            });
        }
        self.nodes.push(replica);
    }

    /// Begins to move the slot of a key: what asks one of the two is sent to the other.
    pub fn begin_move(&self, key: &str, from: usize, to: usize) -> Move<'_> {
        let slot = self.nodes[from].ask(&format!("cluster keyslot {key}"));
        let [from, to] = [from, to].map(|place| &self.nodes[place]);
        let [from_id, to_id] = [from, to].map(|node| node.ask("cluster myid"));
        let begun = Move {
            cluster: self,
            slot,
            from,
            to,
            to_id,
        };
        begun.must(
            to,
            &format!("cluster setslot {} importing {from_id}", begun.slot),
        );
        begun.must(
            from,
            &format!("cluster setslot {} migrating {}", begun.slot, begun.to_id),
        );
        begun
    }
}

/// A slot on its way.
#[derive(Debug)]
pub struct Move<'c> {
    cluster: &'c Cluster,
    slot: String,
    from: &'c Redis,
    to: &'c Redis,
    to_id: String,
}

impl Move<'_> {
    /// Takes all keys over; the slot still belongs to where it was.
    pub fn move_keys(&self) {
        let port = self.to.address().port();
        let keys = self
            .from
            .ask(&format!("cluster getkeysinslot {} 100", self.slot));
        for key in keys.lines() {
            let moved = self
                .from
                .ask(&format!("migrate 127.0.0.1 {port} {key} 0 5000"));
            assert!(matches!(moved.as_str(), "OK" | "NOKEY"), "{key}: {moved}");
        }
    }

    /// Gives the slot to its new node, which all nodes get to know.
    pub fn finish(self) {
        for node in [self.to, self.from].into_iter().chain(&self.cluster.nodes) {
            // Replicas are told by their masters.
            node.ask(&format!(
                "cluster setslot {} node {}",
                self.slot, self.to_id
            ));
        }
    }

    fn must(&self, node: &Redis, order: &str) {
        assert_eq!(node.ask(order), "OK", "{order}");
    }
}

fn start_node() -> Redis {
    let bus = free_port();
    Redis::start_with(&format!(
        "--appendonly no --cluster-enabled yes --cluster-port {bus} --cluster-node-timeout 1000 \
         --repl-diskless-sync-delay 0 --cluster-replica-validity-factor 0"
    ))
}

fn bus_port(node: &Redis) -> String {
    let nodes = node.ask("cluster nodes");
    let own = nodes.lines().find(|line| line.contains("myself"));
    let address = own
        .and_then(|line| line.split(' ').nth(1))
        .unwrap_or_default();
    let bus = address.split_once('@').map(|(_, bus)| bus);
    bus.and_then(|bus| bus.split(',').next())
        .unwrap_or_default()
        .to_owned()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        // Asking takes a process of its own, which is pause enough.
    }
}
