// The colours that the person has chosen, before anything is drawn; a plain script, as modules wait.
{
  const root = document.documentElement;
  const apply = (theme) => {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    dispatchEvent(new Event("themechange"));
  };
  let kept = "";
  try {
    kept = localStorage.getItem("theme") ?? "";
  } catch {
    // A browser may keep nothing; the system's colours are there then.
  }
  apply(kept);
  addEventListener("DOMContentLoaded", () => {
    const choice = document.getElementById("theme");
    choice.value = kept;
    choice.addEventListener("change", () => {
      apply(choice.value);
      try {
        localStorage.setItem("theme", choice.value);
      } catch {
        // The same.
      }
    });
  });
}
