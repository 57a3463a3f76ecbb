//! Generated catalogs of any size, and their import into the table.

use admin::import::Import;
use local::catalog::SAMPLE_ORGANIZATION;
use measure::Result;
use serde_json::{Value, json};
use shared::storage::Table;

use crate::progress;

/// Number of applications of [`FILTERED_PRODUCT`] in each catalog.
const MATCHING_APPLICATIONS: usize = 5;

/// Product in the filters of the customizations.
pub(crate) const FILTERED_PRODUCT: &str = "apache_kafka";

/// Number of the other products.
const OTHER_PRODUCTS: usize = 200;

/// Returns the identifier of the catalog with this number of applications.
pub(crate) fn id(applications: usize) -> String {
    format!("with-{applications}-applications")
}

/// Loads catalogs with these numbers of applications.
pub(crate) async fn load(table: &Table, sizes: &[usize]) -> Result {
    let catalogs: Vec<_> = sizes.iter().map(|&size| catalog(size)).collect();
    let product_keys = (0..OTHER_PRODUCTS).map(other_product).chain([FILTERED_PRODUCT.to_owned()]);
    let products = product_keys.map(|key| product(&key));
    let file = json!({
        "base_images": [base_image()],
        "products": products.collect::<Vec<_>>(),
        "registries": [{"id": "harbor", "name": "Harbor", "url": "https://harbor.example.com"}],
        "catalogs": catalogs,
    });
    let import = Import::check(&file.to_string(), table).await?;
    let bar = progress::bar("loading catalogs", import.len() as u64);
    import.write(table, |records| bar.inc(records as u64)).await?;
    bar.finish_and_clear();
    Ok(())
}

fn catalog(applications: usize) -> Value {
    let applications = (0..applications).map(|number| {
        let product_key = if number < MATCHING_APPLICATIONS {
            FILTERED_PRODUCT.to_owned()
        } else {
            other_product(number % OTHER_PRODUCTS)
        };
        application(number, &product_key)
    });
    json!({
        "id": id(applications.len()),
        "org_id": SAMPLE_ORGANIZATION,
        "applications": applications.collect::<Vec<_>>(),
    })
}

fn other_product(number: usize) -> String {
    format!("product-{number:03}")
}

/// Each application has another branch, because product, branch, base image and registry identify
/// an application.
fn application(number: usize, product_key: &str) -> Value {
    json!({
        "application_id": format!("6f3c1f0e-8a57-4c0e-9c3e-{number:012}"),
        "product_key": product_key,
        "branch": number.to_string(),
        "base_image_id": "debian-11",
        "registry_id": "harbor",
        "latest_release": {
            "id": "64455e6bd3c480fd58546c71",
            "revision": "5",
            "version": "2.8.2",
            "released_at": "2023-03-03T00:59:52.762Z",
        },
        "latest_pipeline_id": "94bd3a9b-ddfd-4b7e-ac56-200b8a73484d",
    })
}

fn product(key: &str) -> Value {
    json!({
        "key": key,
        "name": key,
        "description": "A distributed streaming platform",
        "long_display_name": "Packaged by the vendor",
        "disclaimer": "All trademarks mentioned are owned by their respective companies.",
        "category": "Infrastructure",
        "based_on_scratch": false,
        "latest_free": true,
    })
}

fn base_image() -> Value {
    json!({
        "id": "debian-11",
        "name": "Debian 11",
        "description": "Debian 11 base image",
        "container_image": "docker.io/library/debian:11",
        "operating_system": {
            "id": "1b1d2a3c-5f0e-4b58-8f5d-0c7a4f3e9d21",
            "name": "Debian 11",
            "distro": "debian",
            "version": "11",
        },
        "healthy": true,
        "last_checked_at": "2023-03-03T00:59:52.762Z",
    })
}
