//! Health: alive for everybody, ready unless something of ours is broken.

use crate::world::World;

#[tokio::test]
async fn health_is_told_to_anybody_and_names_nobody() {
    let world = World::new().await;
    let contoso = world.customer("contoso").await;
    let live = world.get("/health/live", "").await.good();
    assert_eq!(live["live"], serde_json::json!(true));
    let ready = world.get("/ready", "").await;
    assert_eq!(ready.status.as_u16(), 200);
    let told = ready.body.to_string();
    assert!(!told.contains(&contoso.id) && !told.contains("contoso"), "{told}");
    world.end().await;
}
