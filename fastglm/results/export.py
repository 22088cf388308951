"""The fit for other engines: SQL and ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fastglm.arguments import checked_path
from fastglm.errors import require_package
from fastglm.fit.record import Fit
from fastglm.inference.rows.streamed_prediction import predict_to

if TYPE_CHECKING:
    import onnx

__all__ = ["ExportMethods"]


class ExportMethods(Fit):
    """Methods of `fastglm.Results` that write the fit down for other engines."""

    def predict_to(
        self,
        path: str | Path | BinaryIO,
        data: Any,
        keep: str | Sequence[str] = (),
        which: str = "mean",
        interval: bool = False,
        alpha: float = 0.05,
        offset: Any = None,
        exposure: Any = None,
        unseen: str = "raise",
        n_threads: int | None = None,
        client: Any = None,
    ) -> int:
        """Predict rows that need not fit into memory, into a file or a folder.

        Parameters
        ----------
        path : str, Path or binary stream
            A file that ends in ``.parquet``, ``.arrow``, ``.feather`` or ``.csv``; a name without
            an ending is a folder of Parquet files. It is there when all of it is. A binary stream
            gets CSV.
        data : path, source or data frame
            New rows: what `fastglm.scan` takes.
        keep : str or sequence of str, optional
            Columns that are written beside the predictions, such as an identifier.
        which : {"mean", "linear"}, default "mean"
        interval : bool, default False
            Whether to write ``lower`` and ``upper``, the ends of the mean's confidence interval.
        alpha : float, default 0.05
            The interval is at level 1 - alpha.
        offset, exposure : str or number, optional
            A column of the new rows; by default those that the fit named.
        unseen : {"raise", "nan"}, default "raise"
            What to do with rows that hold a level the fit has not seen.
        n_threads : int, optional
        client : dask.distributed.Client, optional
            Of a cluster whose workers read and predict the rows; they are written here, in their
            order. A source that can be read from its first row alone, such as a function, is
            predicted here.

        Returns
        -------
        int
            Number of rows, which are in the order of the new ones; ``prediction`` is missing in
            rows with missing values.

        Raises
        ------
        DataError
            Naming what is wrong with the new rows, or if nothing can be written there.
        ModelError
            If an option is out of range, or a cluster loses its workers.
        MissingPackageError
            If there is a client, but no dask.distributed.

        Examples
        --------
        >>> import io
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"x": [0.0, 1.0, 2.0], "y": [1.0, 3.0, 4.0]})
        >>> res.predict_to(io.BytesIO(), {"x": [0.5, 1.5]})
        2
        """
        return predict_to(
            self,
            path,
            data,
            keep=keep,
            which=which,
            interval=interval,
            alpha=alpha,
            offset=offset,
            exposure=exposure,
            unseen=unseen,
            n_threads=n_threads,
            client=client,
        )

    def to_sql(
        self,
        dialect: str = "duckdb",
        table: str = "policies",
        what: str = "mean",
        offset: str | None = None,
        exposure: str | None = None,
    ) -> str:
        """The predictions of every row of a table as one SELECT statement.

        Parameters
        ----------
        dialect : str, default "duckdb"
            Or "bigquery", "mysql", "postgres", "snowflake", "spark", "sqlite", "tsql"; also
            "postgresql", "databricks" and "sqlserver".
        table : str, default "policies"
            The table, whose columns are called as those of the frame, or of X where the fit had no
            formula; ``schema.table`` is split at points.
        what : {"mean", "linear", "terms"}, default "mean"
            A column ``prediction`` of means or of linear predictors beside those of the table, or
            a column ``term x`` for the share of every term ``x`` in the linear predictor.
        offset, exposure : str, optional
            Columns of the table; by default those that the fit named.

        Returns
        -------
        str
            Plain SQL in double precision, without a semicolon. NULL where a column in use is, and
            for levels that the fit has not seen.

        Raises
        ------
        ModelError
            If there is no such dialect, if the fit had an offset or exposure of no name and none
            is given, or for what no engine can compute: levels of computed columns, and means
            under a link of your own.

        Examples
        --------
        >>> import fastglm as fg
        >>> fit = fg.glm("y ~ x", {"y": [1.0, 2.0, 4.0], "x": [0.0, 1.0, 2.0]})
        >>> fit.to_sql("duckdb", "new").splitlines()[-1]
        ') AS s'
        """
        from fastglm.export.sql import to_sql

        return to_sql(self, dialect, table, what, offset, exposure)

    def to_onnx(
        self,
        path: str | Path | None = None,
        what: str = "mean",
        offset: str | None = None,
        exposure: str | None = None,
    ) -> onnx.ModelProto:
        """The fit as an ONNX model in double precision; needs the extra ``fastglm[onnx]``.

        Parameters
        ----------
        path : str or Path, optional
            Write the model to this file as well.
        what : {"mean", "linear"}, default "mean"
            Means, or linear predictors.
        offset, exposure : str, optional
            Names of the inputs that hold them; by default the columns that the fit named.

        Returns
        -------
        onnx.ModelProto
            With an input of n values for every column, under its name: doubles, or text, truth
            values or whole numbers where these are levels. One output ``prediction``, of n doubles:
            NaN where a number is, where a text is empty as tensors have no missing ones, and for
            levels that the fit has not seen.

        Raises
        ------
        MissingPackageError
            If onnx is not installed.
        ModelError
            As for `to_sql`.

        Examples
        --------
        >>> import fastglm as fg
        >>> fit = fg.glm("y ~ x", {"y": [1.0, 2.0, 4.0], "x": [0.0, 1.0, 2.0]})
        >>> [each.name for each in fit.to_onnx().graph.input]
        ['x']
        """
        require_package("onnx", "onnx", "ONNX models")
        from fastglm.export.onnx import to_onnx

        model = to_onnx(self, what, offset, exposure)
        if path is not None:
            checked_path("path", path).write_bytes(model.SerializeToString())
        return model
