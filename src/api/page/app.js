const answer = await fetch("/api/topology");
document.querySelector("#topology").textContent = JSON.stringify(await answer.json(), null, 2);
