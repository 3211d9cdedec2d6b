"""What happened around an endpoint, in order, and background tasks."""

import asyncio

from fastapi import APIRouter, BackgroundTasks, HTTPException

router = APIRouter(tags=["Events"])
noted: list[str] = []


def note(event: str):
    noted.append(event)


@router.get("/events/{count}")
async def take(count: int) -> list[str]:
    """Waits until so much has happened, and takes it."""
    for _ in range(2000):
        if len(noted) >= count:
            break
        await asyncio.sleep(0.001)
    taken = list(noted)
    noted.clear()
    return taken


def refuse():
    raise ValueError("a task that fails")


@router.post("/tasks")
def two(tasks: BackgroundTasks) -> str:
    tasks.add_task(note, "task 1")
    tasks.add_task(note, "task 2")
    note("handler")
    return "later"


@router.post("/tasks/error")
def with_error(tasks: BackgroundTasks) -> str:
    tasks.add_task(note, "task 1")
    note("handler")
    raise HTTPException(400, "no")


@router.post("/tasks/failing")
def failing(tasks: BackgroundTasks) -> str:
    tasks.add_task(note, "task 1")
    tasks.add_task(refuse)
    tasks.add_task(note, "task 3")
    return "later"
