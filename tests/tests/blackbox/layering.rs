//! Layers are crates: the allowed dependencies between our crates, and where the heavy crates may
//! be used.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use faceshare_tests::programs::workspace;

/// Every crate of the workspace and the crates that it may use. A crate that is missing here fails
/// the test: decide its layer.
const ALLOWED: &[(&str, &[&str])] = &[
    ("faceshare-api", &[]),
    ("faceshare-biz", &[]),
    ("faceshare-contract", &["faceshare-biz"]),
    ("faceshare-exec", &["faceshare-biz"]),
    ("faceshare-logic", &["faceshare-biz", "faceshare-exec"]),
    ("faceshare-repository", &["faceshare-biz"]),
    ("faceshare-service", &["faceshare-biz", PKG]),
    ("faceshare-websocket", &[]),
    (
        "faceshare-codec",
        &["faceshare-biz", "faceshare-api", "faceshare-websocket"],
    ),
    (
        "faceshare-routes",
        &[
            "faceshare-biz",
            "faceshare-logic",
            "faceshare-api",
            "faceshare-codec",
            "faceshare-websocket",
            PKG,
        ],
    ),
    ("faceshare-server", &["faceshare-routes"]),
    ("faceshareapp", &[ANY]),
    ("facesharectl", &[ANY]),
    ("agentclient", &[PKG]),
    ("auth", &[PKG]),
    ("driveapi", &[PKG]),
    ("encsapi", &[PKG]),
    ("entrance-client", &[PKG, "faceshare-api"]),
    ("entrance-pack", &[PKG, "faceshare-api"]),
    ("filecrypt", &[PKG]),
    ("metric", &[PKG]),
    ("network", &[PKG]),
    ("pasetotoken", &[PKG]),
    ("validatecode", &[PKG]),
    ("workerid", &[PKG]),
    ("wps2sign", &[PKG]),
    ("faceshare-tests", &["faceshare-api"]),
    (
        "faceshare-simulation",
        &[
            "faceshare-biz",
            "faceshare-exec",
            "faceshare-logic",
            "faceshare-codec",
            "faceshare-api",
        ],
    ),
];

/// Any crate under `pkg/`.
const PKG: &str = "pkg/";
/// Any crate of ours.
const ANY: &str = "*";

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command
        .current_dir(workspace())
        .features(CargoOpt::AllFeatures)
        .other_options(vec!["--locked".to_owned()]);
    command.exec().expect("cargo metadata")
}

fn in_pkg(package: &Package) -> bool {
    package
        .manifest_path
        .as_std_path()
        .starts_with(workspace().join("pkg"))
}

#[test]
fn no_crate_uses_one_that_its_layer_may_not() {
    let metadata = metadata();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let ours: BTreeMap<String, &Package> = metadata
        .workspace_packages()
        .into_iter()
        .map(|package| (package.name.to_string(), package))
        .collect();
    let mut wrong = Vec::new();
    for (name, package) in &ours {
        let Some(allowed) = allowed.get(name.as_str()) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        let normal = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal);
        for used in normal.filter_map(|dependency| ours.get(&dependency.name)) {
            let may = |rule: &&str| {
                *rule == ANY || *rule == used.name.as_str() || (*rule == PKG && in_pkg(used))
            };
            if !allowed.iter().any(may) {
                wrong.push(format!("{name} → {}", used.name));
            }
        }
    }
    wrong.extend(
        allowed
            .keys()
            .filter(|name| !ours.contains_key(**name))
            .map(|name| format!("{name} is in the table and nowhere else")),
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn faults_can_be_planted_by_tests_alone() {
    let metadata = metadata();
    let plants = |package: &&&Package| {
        let mut normal = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal);
        normal.any(|dependency| {
            dependency
                .features
                .iter()
                .any(|feature| feature == "planted-faults")
        })
    };
    let planting: Vec<_> = metadata
        .workspace_packages()
        .iter()
        .filter(plants)
        .map(|package| package.name.to_string())
        .collect();
    assert_eq!(planting, ["faceshare-simulation"]);
}

#[test]
fn each_heavy_crate_stays_in_its_layer() {
    let metadata = metadata();
    for (heavy, homes) in [
        ("sea-orm", ["faceshare-repository"].as_slice()),
        ("sea-orm-migration", &["faceshare-repository"]),
        ("rusqlite", &["faceshare-repository"]),
        ("fred", &["faceshare-repository"]),
        ("axum", &["faceshare-routes", "faceshare-server"]),
        ("object_store", &["faceshare-service"]),
        ("pasetors", &["pasetotoken"]),
        ("snowflake-rs", &["workerid"]),
    ] {
        let uses = |package: &&&Package| {
            let of_program = |dependency: &&cargo_metadata::Dependency| {
                dependency.kind != DependencyKind::Development
            };
            package
                .dependencies
                .iter()
                .filter(of_program)
                .any(|dependency| dependency.name == heavy)
        };
        let members = metadata.workspace_packages();
        let strays: Vec<_> = members
            .iter()
            .filter(uses)
            .map(|package| package.name.as_str())
            .filter(|name| !homes.contains(name))
            .collect();
        assert!(
            strays.is_empty(),
            "{heavy} belongs to {homes:?}, not to {strays:?}"
        );
    }
}

#[test]
fn the_domain_and_the_kernel_reach_no_runtime_no_server_and_no_store() {
    let metadata = metadata();
    let names: BTreeMap<&PackageId, &str> = metadata
        .packages
        .iter()
        .map(|package| (&package.id, package.name.as_str()))
        .collect();
    for member in metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| ["faceshare-biz", "faceshare-exec"].contains(&package.name.as_str()))
    {
        let reached: BTreeSet<&str> = reachable(&metadata, &member.id)
            .into_iter()
            .map(|id| names[id])
            .collect();
        for forbidden in [
            "tokio", "axum", "hyper", "tonic", "sea-orm", "sqlx", "rusqlite", "fred", "reqwest",
        ] {
            assert!(
                !reached.contains(forbidden),
                "{} reaches {forbidden}",
                member.name
            );
        }
    }
}

/// Every package that is built into `root`: its normal dependencies, and theirs.
fn reachable<'a>(metadata: &'a Metadata, root: &'a PackageId) -> BTreeSet<&'a PackageId> {
    let resolve = metadata.resolve.as_ref().expect("the graph is resolved");
    let nodes: BTreeMap<&PackageId, _> =
        resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut reached = BTreeSet::new();
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        if !reached.insert(id) {
            continue;
        }
        let normal = nodes[id].deps.iter().filter(|dep| {
            dep.dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal)
        });
        open.extend(normal.map(|dep| &dep.pkg));
    }
    reached
}
