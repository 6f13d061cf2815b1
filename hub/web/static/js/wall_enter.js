// The token stands behind the # of the address, which no browser sends and no log keeps; it is sent once, in a form.

const token = location.hash.slice(1);
const form = document.querySelector("form");
if (token) {
  history.replaceState(null, "", location.pathname);
  form.elements.token.value = token;
  form.submit();
}
