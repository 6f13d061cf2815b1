// A seat's film in a sitting.

import "./app.js";
import { startFilm } from "./film.js";

const holder = document.getElementById("film-holder");
if (holder) startFilm(holder);
