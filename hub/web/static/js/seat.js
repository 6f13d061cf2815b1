// A seat's page: its tile is live, its history follows.

import { arrange, shape } from "./base.js";
import { feed } from "./feed.js";
import { follow } from "./follow.js";
import "./stills.js";
import { showTile } from "./tile.js";
import { startVideo } from "./video.js";

const list = document.getElementById("tiles");
const id = `s${document.getElementById("followed").dataset.seat}`;

function show(tiles) {
  const tile = tiles?.[id];
  if (tile) arrange(list, [[id, tile]], () => shape("tile-shape"), showTile);
}
feed.addEventListener("board", ({ detail }) => show(detail.tiles));
feed.addEventListener("change", ({ detail }) => show(detail.tiles));
follow((change) => change.tiles?.[id] || change.touched, feed);
startVideo(document.getElementById("seat-now"));
