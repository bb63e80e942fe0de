// Pictures enlarged by a click or Enter: whole multiples, so that a pixel stays a square.

function wireZoom(dialog) {
  const [image, about] = [document.createElement("img"), dialog.querySelector("p")];
  dialog.querySelector(".scroll").append(image);

  const fit = (shown) => {
    const room = [innerWidth - 48, innerHeight - 150];
    const whole = Math.floor(Math.min(room[0] / image.naturalWidth, room[1] / image.naturalHeight));
    // Where the window has no room for more it is scrolled.
    image.width = image.naturalWidth * Math.max(whole, Math.floor(shown / image.naturalWidth) + 1);
  };
  for (const button of document.querySelectorAll(".enlarge")) button.addEventListener("click", async () => {
    const small = button.querySelector("img");
    image.src = small.src;
    about.textContent = image.alt = small.alt;
    await image.decode();
    fit(small.clientWidth);
    dialog.showModal();
  });
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog || event.target === image) dialog.close(); });
}
